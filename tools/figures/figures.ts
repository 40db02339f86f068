/** All figures by name. */

import { clocks } from './clocks.js'
import { divergence } from './divergence.js'
import { divergenceOverTime } from './divergence-over-time.js'
import type { Figure } from './figure.js'
import { lag } from './lag.js'
import { latency } from './latency.js'
import { membership } from './membership.js'
import { operations } from './operations.js'
import { resources } from './resources.js'
import { scaling } from './scaling.js'
import { staleness } from './staleness.js'
import { throughput } from './throughput.js'

/** In the order in which a report shows them. */
export const FIGURES: readonly Figure[] = [
  operations,
  throughput,
  latency,
  divergence,
  divergenceOverTime,
  staleness,
  lag,
  clocks,
  membership,
  resources,
  scaling,
]
