/**
 * Power of two choices (`ip_vs_twos.c`, from Linux 6.2 on): draws two destinations at random, each
 * as likely as its weight says, and takes the one with the smaller overhead in relation to its
 * weight. Nearly as even as asking all of them, and new clients do not all run to the one that has
 * just come.
 */
import { type Clue, type Flow, StatelessScheduler } from '../scheduler.js'

const NONE = -1

export class TwoChoices extends StatelessScheduler {
  /** The two that were drawn last. */
  #drawn1 = NONE
  #drawn2 = NONE

  choose(_flow: Flow): number {
    const { services, destinations, service, random, overhead } = this.pool
    let total = 0
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (destinations.isEligible(d)) total += destinations.weight(d)
    }
    if (total === 0) return NONE
    // Linux draws from 0 to the sum, the sum included: the first has a little more than its share.
    let left1 = random.below(total + 1)
    let left2 = random.below(total + 1)
    let choice1 = NONE
    let choice2 = NONE
    for (let d = services.head(service); d !== NONE; d = destinations.next(d)) {
      if (!destinations.isEligible(d)) continue
      left1 -= destinations.weight(d)
      left2 -= destinations.weight(d)
      if (choice1 === NONE && left1 <= 0) choice1 = d
      if (choice2 === NONE && left2 <= 0) choice2 = d
      if (choice1 !== NONE && choice2 !== NONE) break
    }
    this.#drawn1 = choice1
    this.#drawn2 = choice2
    // Linux multiplies ints here, which may overflow.
    const product1 = Math.imul(destinations.weight(choice2), overhead(choice1))
    const product2 = Math.imul(destinations.weight(choice1), overhead(choice2))
    return product1 > product2 ? choice2 : choice1
  }

  override next(flow: Flow): number {
    const { random } = this.pool
    const { state } = random
    const next = this.choose(flow)
    random.state = state
    return next
  }

  override clues(flow: Flow): Clue[] {
    const destinations = this.next(flow) === NONE ? [] : [this.#drawn1, this.#drawn2]
    return [{ name: 'drawn', destinations }]
  }

  override score(destination: number): number | null {
    const weight = this.pool.destinations.weight(destination)
    return weight > 0 ? this.pool.overhead(destination) / weight : null
  }
}
