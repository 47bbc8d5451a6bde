/** What we use of `pcap-parser`, which comes without types. */
declare module 'pcap-parser' {
  import type { EventEmitter } from 'node:events'

  interface PcapParser extends EventEmitter {
    /** What it holds of a record that is not complete. */
    buffer: Buffer | null
  }

  interface ParsedPacket {
    readonly header: {
      readonly timestampSeconds: number
      /** Nanoseconds in captures with the nanosecond magic. */
      readonly timestampMicroseconds: number
      readonly capturedLength: number
      readonly originalLength: number
    }
    readonly data: Buffer
  }

  /** `stream` needs no more of a stream than `data` events, `pause()` and `resume()`. */
  export function parse(stream: string | EventEmitter): PcapParser
}
