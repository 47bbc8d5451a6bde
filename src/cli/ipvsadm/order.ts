/**
 * The order of listings. ipvsadm compares numbers by the sign of their wrapped 32-bit difference,
 * so 192.168.1.110 comes before 10.0.0.1, and three addresses can stand in a circle. What a circle
 * turns into depends on the algorithm, so this is the merge sort of the GNU C library's qsort(3).
 */

import { PROTOCOL_NUMBER } from '../../balance/rule.js'
import type { DestinationListing, ServiceListing } from '../../control/listing.js'
import { addressWords, isIpv6 } from './address.js'

export function sortServices(services: readonly ServiceListing[]): ServiceListing[] {
  return sortByNumbers(services, ({ service }) =>
    'fwmark' in service
      ? [service.fwmark, service.family === 'inet6' ? 1 : 0]
      : [
          0,
          isIpv6(service.address) ? 1 : 0,
          PROTOCOL_NUMBER[service.protocol],
          ...addressWords(service.address),
          service.port,
        ],
  )
}

export function sortDestinations(
  destinations: readonly DestinationListing[],
): DestinationListing[] {
  return sortByNumbers(destinations, ({ address, port }) => [
    isIpv6(address) ? 1 : 0,
    ...addressWords(address),
    port,
  ])
}

/** Keys are made once for each element; the first difference decides, and equal ones stay put. */
function sortByNumbers<T>(list: readonly T[], key: (element: T) => number[]): T[] {
  const keyed = list.map((element) => ({ element, key: key(element) }))
  return mergeSort(keyed, (a, b) => compare(a.key, b.key)).map(({ element }) => element)
}

function compare(a: readonly number[], b: readonly number[]): number {
  const shared = Math.min(a.length, b.length)
  for (let i = 0; i < shared; i++) {
    const difference = (a[i]! - b[i]!) | 0
    if (difference !== 0) return difference
  }
  return 0
}

function mergeSort<T>(list: readonly T[], order: (a: T, b: T) => number): T[] {
  if (list.length <= 1) return [...list]
  const half = list.length >> 1
  const left = mergeSort(list.slice(0, half), order)
  const right = mergeSort(list.slice(half), order)
  const merged: T[] = []
  let l = 0
  let r = 0
  while (l < left.length && r < right.length) {
    merged.push(order(left[l]!, right[r]!) <= 0 ? left[l++]! : right[r++]!)
  }
  return merged.concat(left.slice(l), right.slice(r))
}
