/**
 * A batch of frames: what a port hands to the director and gets back.
 *
 * There is no object per frame. Frame `i` of a batch is the bytes
 * `[offset[i], offset[i] + length[i])` of the batch's arena; everything else known of it stands at
 * index `i` of a parallel array:
 *
 *            i = 0        1        2            count
 *   offset   [ 128   |  2176  |  4224  | ... ]         where it begins in `view` and `bytes`
 *   length   [  60   |  1514  |    54  | ... ]         bytes from the Ethernet header on
 *   verdict  [   2   |     2  |     9  | ... ]         how its journey ended (engine/verdict.ts)
 *   egress   [   0   |     1  |     0  | ... ]         which arm a forwarded frame leaves by
 *   destination [ 3 |    0  |    -1  | ... ]           which destination it was for; for a trace
 *
 * A port makes its batches once, at start, and uses them for ever. A batch goes out of a port with
 * `receive()` and the same batch goes back with `settle()`: frames have nowhere else to be.
 */
export class Batch {
  /** Frames in this batch now; entries from here on mean nothing. */
  count = 0
  /** Index of the arm (interface) that all frames of this batch came in on. */
  arm = 0
  /** The arena, as big-endian multi-byte fields and as bytes. Both begin at the same address. */
  view: DataView
  bytes: Uint8Array
  readonly capacity: number
  readonly offset: Int32Array
  readonly length: Int32Array
  readonly verdict: Uint8Array
  readonly egress: Uint8Array
  readonly destination: Int32Array
  /** 1 where the sender left the transport checksum to hardware that does not exist (veth). */
  readonly partialChecksum: Uint8Array
  /** For an aggregate (GRO): bytes of transport payload in each of its segments; else 0. */
  readonly segmentBytes: Int32Array
  /** The port can't tell which transport checksums are partial: what looks it is completed. */
  hasUnknownChecksums = false
  /**
   * Of a plain IPv4 frame (`glance.ts`), else 0: length of the packet (bits 16 to 31), TCP flags (8
   * to 15), protocol (0 to 7). The other columns of its key mean something only then.
   */
  readonly about: Int32Array
  readonly client: Int32Array
  readonly vip: Int32Array
  readonly ports: Int32Array
  /** Where a look for the frame's connection begins, while `chainsAt` holds. */
  readonly chain: Int32Array
  /** What the table's `changes` were then. */
  chainsAt = -1

  constructor(arena: ArrayBufferLike, capacity: number, byteOffset = 0, byteLength?: number) {
    const bytes = byteLength ?? arena.byteLength - byteOffset
    this.view = new DataView(arena, byteOffset, bytes)
    this.bytes = new Uint8Array(arena, byteOffset, bytes)
    this.capacity = capacity
    this.offset = new Int32Array(capacity)
    this.length = new Int32Array(capacity)
    this.verdict = new Uint8Array(capacity)
    this.egress = new Uint8Array(capacity)
    this.destination = new Int32Array(capacity)
    this.partialChecksum = new Uint8Array(capacity)
    this.segmentBytes = new Int32Array(capacity)
    this.about = new Int32Array(capacity)
    this.client = new Int32Array(capacity)
    this.vip = new Int32Array(capacity)
    this.ports = new Int32Array(capacity)
    this.chain = new Int32Array(capacity)
  }
}
