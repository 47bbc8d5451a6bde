/**
 * `uipvs run --proc DIR`: what Linux shows of IPVS under /proc/net, kept as files in DIR/net, for
 * programs that read it there (node_exporter --path.procfs=DIR). Files are replaced as a whole, so
 * a reader sees an old one or a new one, never half of one.
 *
 *   every second, each file:   pieces --> DIR/net/.NAME.PID.N --rename--> DIR/net/NAME
 *
 * Writing happens in pieces, between which others get their turn. A file that took the main thread
 * long (a million connections) is left alone for four times as long as it took.
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  type Stats,
  statSync,
} from 'node:fs'
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { totalsOf } from '../control/accounts.js'
import { ConnectionText } from '../control/proc-connections.js'
import { perCpuText, rawCounts, servicesText, statisticsText } from '../control/proc-text.js'
import type { Source } from '../control/readers.js'

const PERIOD_MS = 1_000
/** For each millisecond of the main thread that a file took, so many pass without it. */
const REST = 4
const PIECE_BYTES = 256 * 1024
/** Whoever may read /proc/net may read these, whatever the umask. */
const FILE_MODE = 0o644
const FOLDER_MODE = 0o755

/** What the files are made from: `DirectorDaemon.read`. */
export interface Readable {
  read<T>(look: (source: Source) => T): Promise<T>
}

type Pieces = Iterable<string | Buffer>

interface KeptFile {
  readonly name: string
  /** Called between two changes of the rules; the pieces are taken later. */
  readonly compose: (source: Source) => Pieces
  /** When it may be written again. */
  notBefore: number
  /** What we put there last (`markOf`), '' before. */
  mark: string
}

let made = 0

export class ProcFiles {
  readonly folder: string
  /** Nobody else in this process writes beside our files under the same names. */
  readonly #number = made++
  readonly #director: Readable
  readonly #log: (line: string) => void
  readonly #files: readonly KeptFile[]
  /** Folders that were not there before, innermost last. */
  readonly #made: string[] = []
  readonly #bytes = Buffer.allocUnsafe(PIECE_BYTES)
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()
  #isWriting = false
  #isStopped = false
  /** What was wrong the last time, so that it is told once. */
  #trouble = ''

  constructor(directory: string, director: Readable, log: (line: string) => void) {
    this.folder = join(resolve(directory), 'net')
    this.#director = director
    this.#log = log
    const kept = (name: string, compose: KeptFile['compose']) => ({
      name,
      compose,
      notBefore: 0,
      mark: '',
    })
    this.#files = [
      kept('ip_vs', servicesText),
      kept('ip_vs_stats', (source) => [statisticsText(totalsOf(source))]),
      kept('ip_vs_stats_percpu', (source) => [
        perCpuText(
          totalsOf(source),
          source.live.parts.map(({ tables }) => rawCounts(tables)),
        ),
      ]),
      kept('ip_vs_conn', ({ book, live }) =>
        piecesOf(new ConnectionText(book, live.parts, this.#bytes)),
      ),
    ]
  }

  /** Makes folders and files, and keeps them. Rejects if that can't be done. */
  async start(): Promise<void> {
    try {
      this.#makeFolders()
      await this.#writeAll()
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#timer = setInterval(() => this.#turn(), PERIOD_MS)
  }

  /** Removes the files, if they are still ours, and the folders that we made, if they are empty. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer !== null) clearInterval(this.#timer)
    await this.#writing.catch(() => undefined)
    for (const file of this.#files) {
      const path = join(this.folder, file.name)
      quietly(() => {
        if (markOf(statSync(path)) === file.mark) rmSync(path)
      })
    }
    for (const folder of this.#made.toReversed()) quietly(() => rmdirSync(folder))
  }

  #makeFolders(): void {
    const missing: string[] = []
    for (let at = this.folder; !existsSync(at); at = resolve(at, '..')) missing.unshift(at)
    for (const folder of missing) {
      mkdirSync(folder)
      this.#made.push(folder)
      chmodSync(folder, FOLDER_MODE)
    }
    this.#cleanStale()
  }

  /** What directors that were killed in the middle of a file have left behind. */
  #cleanStale(): void {
    const names = this.#files.map(({ name }) => `.${name}.`)
    for (const found of readdirSync(this.folder)) {
      const [, name = '', pid] = /^(\..*\.)(\d+)\.\d+$/.exec(found) ?? []
      if (names.includes(name) && !isAlive(Number(pid)))
        rmSync(join(this.folder, found), { force: true })
    }
  }

  #turn(): void {
    if (this.#isWriting || this.#isStopped) return
    this.#isWriting = true
    this.#writing = this.#writeAll()
      .then(
        () => this.#tell(''),
        (error: Error) => this.#tell(error.message),
      )
      .finally(() => {
        this.#isWriting = false
      })
  }

  #tell(trouble: string): void {
    if (trouble === this.#trouble) return
    this.#trouble = trouble
    this.#log(
      trouble === ''
        ? `${this.folder} is kept again`
        : `${this.folder} can't be kept up to date: ${trouble}; trying again each second`,
    )
  }

  async #writeAll(): Promise<void> {
    for (const file of this.#files) {
      if (this.#isStopped) return
      if (performance.now() < file.notBefore) continue
      const busy = await this.#write(file)
      if (busy === null) return this.#giveUp(file)
      file.notBefore = performance.now() + REST * busy
    }
  }

  /** Another director that was told the same folder has put its own file there. */
  async #isTaken(file: KeptFile): Promise<boolean> {
    if (file.mark === '') return false
    const found = await stat(join(this.folder, file.name)).catch(() => null)
    return found !== null && markOf(found) !== file.mark
  }

  #giveUp(file: KeptFile): void {
    this.#isStopped = true
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#log(
      `somebody else writes ${join(this.folder, file.name)}: no longer kept here; ` +
        'give each director a --proc folder of its own',
    )
  }

  /** Writes one file anew; how many ms of this thread it took, or null if it is not ours. */
  async #write(file: KeptFile): Promise<number | null> {
    const temporary = this.#temporary(file)
    const handle = await open(temporary, 'w', FILE_MODE)
    try {
      await handle.chmod(FILE_MODE)
      const busy = await this.#fill(handle, file)
      const mark = markOf(await handle.stat())
      if (await this.#isTaken(file)) {
        await rm(temporary)
        return null
      }
      await rename(temporary, join(this.folder, file.name))
      file.mark = mark
      return busy
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      await handle.close()
    }
  }

  async #fill(handle: FileHandle, file: KeptFile): Promise<number> {
    const pieces = await this.#director.read((source) => file.compose(source)[Symbol.iterator]())
    let busy = 0
    for (;;) {
      const began = performance.now()
      const piece = pieces.next()
      busy += performance.now() - began
      if (piece.done === true) return busy
      if (piece.value.length > 0) await writeWhole(handle, piece.value)
    }
  }

  #temporary(file: KeptFile): string {
    return join(this.folder, `.${file.name}.${process.pid}.${this.#number}`)
  }
}

/** A disk that is nearly full takes a part. Waiting for it gives others their turn. */
async function writeWhole(handle: FileHandle, piece: string | Buffer): Promise<void> {
  const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece
  for (let at = 0; at < bytes.length; ) {
    at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten
  }
}

function* piecesOf(text: ConnectionText): Generator<Buffer> {
  for (let piece = text.next(); piece !== null; piece = text.next()) yield piece
}

/** At the end nobody can do anything about it: it is gone, or somebody keeps something there. */
function quietly(work: () => void): void {
  try {
    work()
  } catch {
    return
  }
}

/** Tells our file from another's; numbers of inodes alone are soon used again. */
function markOf({ ino, mtimeMs }: Stats): string {
  return `${ino} ${mtimeMs}`
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
