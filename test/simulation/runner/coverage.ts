/** What must happen somewhere in a run of enough seeds, or it proves less than it seems to. */
import { FAULTS } from '../faults/names.js'

/** A run of so many seeds fails where one of these never happened. */
export const EXPECTED_FROM_SEEDS = 300

const WEATHER = [
  'message lost',
  'message doubled',
  'message overtakes',
  'message stuck in a partition',
  'link broken',
  'a transport refuses',
  "client's stream breaks",
  'slow sync',
  'sync fails',
  'write to a full disk fails',
  'crash loses unsynced writes',
  'coordinator dies before a store write',
  'coordinator dies after a store write',
]

const TRANSITIONS = [
  'sealed',
  'head',
  'head, in office',
  'middle',
  'middle, in office',
  'tail',
  'tail, in office',
  'leaf',
  'learner',
  'a member is left out',
  'a member is taken in',
  'below minInSync',
  'a damaged log is set aside',
  'leaf, in office',
  'an epoch is reserved',
  'an epoch is burnt',
  'a configuration is proposed',
  'an epoch comes into office',
  'another head',
  'a log is cut',
  'a head commits',
  'a follower hears of a commit',
  'a process ends itself',
  'a weak write is lost and found',
  'compare-and-set refuses',
  'a coordinator finds another one',
]

export const EXPECTED: readonly string[] = [
  ...FAULTS.map(name => `fault: ${name}`),
  ...WEATHER.map(name => `fault: ${name}`),
  ...TRANSITIONS.map(name => `transition: ${name}`),
]
