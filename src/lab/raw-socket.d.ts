/** The part of `raw-socket` 1.8 that we use; the package brings no types. */
declare module 'raw-socket' {
  import type { EventEmitter } from 'node:events'

  export interface RawSocket extends EventEmitter {
    send(
      buffer: Buffer,
      offset: number,
      length: number,
      address: string,
      done: (error: Error | null, bytes: number) => void,
    ): this
    /** `message` carries the IPv4 packet from its IP header on, and the address of its sender. */
    on(event: 'message', listener: (packet: Buffer, source: string) => void): this
    on(event: 'error', listener: (error: Error) => void): this
    close(): this
  }

  interface Checksummed {
    buffer: Buffer
    offset: number
    length: number
  }

  const raw: {
    createSocket(options: { protocol: number }): RawSocket
    /** RFC 1071 over all parts, each of which is padded to 16 bits. */
    createChecksum(...parts: (Buffer | Checksummed)[]): number
    writeChecksum(buffer: Buffer, offset: number, checksum: number): Buffer
  }
  export default raw
}
