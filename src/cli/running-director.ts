/** What commands that talk to the running director share: the client, and its refusals in words. */
import { ControlClient, controlPath, Unreachable } from '../control/client.js'
import { CliFailure, EXIT_FAILED } from './failure.js'

/** Does `work` with the director that listens at `path`, or where the programs look for one. */
export async function withDirector<T>(
  path: string | undefined,
  work: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const client = new ControlClient(path ?? controlPath(process.env))
  try {
    return await work(client)
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    const hint = 'start one with uipvs run, or say where it listens with --control'
    throw new CliFailure(error.message, EXIT_FAILED, hint)
  } finally {
    client.close()
  }
}
