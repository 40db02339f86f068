import test from 'ava'
import { Topology } from '../../src/generated/varve/v1/cluster.js'
import { plantTree, roleOf } from '../../src/replication/topology.js'

const peers = ['a', 'b', 'c', 'd'].map((address, at) => ({ address, incarnation: at + 1 }))

test('in a chain each member follows the one before it', t => {
  const members = plantTree(Topology.CHAIN, peers)
  t.deepEqual(
    members.map(({ upstream }) => upstream),
    ['', 'a', 'b', 'c'],
  )
  t.deepEqual(
    members.map(({ incarnation }) => incarnation),
    [1, 2, 3, 4],
  )
})

test('in a star every member follows the head', t => {
  t.deepEqual(
    plantTree(Topology.STAR, peers).map(({ upstream }) => upstream),
    ['', 'a', 'a', 'a'],
  )
})

test('one process alone is the head of either tree', t => {
  for (const topology of [Topology.CHAIN, Topology.STAR]) {
    const members = plantTree(topology, peers.slice(0, 1))
    t.deepEqual(members, [{ address: 'a', incarnation: 1, upstream: '' }])
    t.is(roleOf(topology, members, 'a'), 'head')
  }
})

test('roles are named by the place in the tree', t => {
  const chain = plantTree(Topology.CHAIN, peers)
  t.deepEqual(
    peers.map(({ address }) => roleOf(Topology.CHAIN, chain, address)),
    ['head', 'middle', 'middle', 'tail'],
  )
  const star = plantTree(Topology.STAR, peers)
  t.deepEqual(
    peers.map(({ address }) => roleOf(Topology.STAR, star, address)),
    ['head', 'leaf', 'leaf', 'leaf'],
  )
  t.is(roleOf(Topology.CHAIN, chain, 'x'), undefined)
})
