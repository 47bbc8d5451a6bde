/**
 * What stands where in pcapng (draft-ietf-opsawg-pcapng). All parts are padded to 32 bits.
 *
 *   block      | type | length | body … | length |          both lengths count the whole block
 *   section    body: | byte-order magic | 1 . 0 | section length, 64 bits, -1: unknown | options |
 *   interface  body: | link type, 16 bits | 0 | snap length | options |
 *   packet     body: | interface | time, high, low | captured | original | bytes … | options |
 *   option     | code, 16 bits | length, 16 bits | value … |  the last has code 0 and no value
 */
export const BLOCK_SECTION = 0x0a0d0d0a
export const BLOCK_INTERFACE = 1
export const BLOCK_PACKET = 2
export const BLOCK_SIMPLE_PACKET = 3
export const BLOCK_ENHANCED_PACKET = 6
export const BYTE_ORDER_MAGIC = 0x1a2b3c4d

export const OPTION_END = 0
export const OPTION_COMMENT = 1
export const OPTION_EPB_FLAGS = 2
export const OPTION_IF_NAME = 2
export const OPTION_IF_TSRESOL = 9
export const OPTION_IF_TSOFFSET = 14
