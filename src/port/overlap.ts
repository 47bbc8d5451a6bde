/**
 * Keeps frames from being taken twice while two captures of one interface overlap.
 *
 * A filter can't be changed on an open `cap` handle. A second handle with the new filter is opened
 * before the first is closed, so that no frame is lost; what comes in between, both deliver:
 *
 *   old handle  ------------------------|           each frame of the overlap comes once from
 *   new handle              |---------------------  each handle, in any order between the two
 *                           ^ open      ^ close
 *
 * For each content a balance is kept: how many more of it the old handle has delivered than the new
 * one. A delivery that only settles the balance is the other one's frame again. A frame that comes
 * twice from the same handle is two frames. What is not distinguished: a frame sent twice with
 * exactly the same bytes, once before and once during the overlap; the second is lost.
 */
export class Overlap {
  readonly #balance = new Map<string, number>()

  /** Whether this delivery is new; to be called for each, by the handle that made it. */
  isNew(bytes: Buffer, length: number, isFromOld: boolean): boolean {
    const key = bytes.toString('latin1', 0, length)
    const balance = this.#balance.get(key) ?? 0
    const isRepeated = isFromOld ? balance < 0 : balance > 0
    this.#balance.set(key, balance + (isFromOld ? 1 : -1))
    return !isRepeated
  }
}
