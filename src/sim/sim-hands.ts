// What a simulated node works with: its runner, its files and their ways, its actions.

import type {NodeRuntime} from '../runtime/node-runtime.ts';
import type {NodeLink} from '../wire/session-node.ts';
import type {Fabric} from './fabric.ts';
import {machineAt} from './machine-plan.ts';
import {SimActions} from './sim-actions.ts';
import {SimApps} from './sim-apps.ts';
import {SimBlobs} from './sim-blobs.ts';
import type {SimClock} from './sim-clock.ts';
import {SimEar} from './sim-ear.ts';
import type {SimMaster} from './sim-master.ts';
import type {SimNode} from './sim-node.ts';
import {SimRunner} from './sim-runner.ts';

type Parts = {
  readonly node: SimNode;
  readonly fabric: Fabric;
  readonly master: SimMaster;
  readonly clock: SimClock;
  readonly link: NodeLink;
  readonly tell: (event: Parameters<NodeRuntime['post']>[0]) => void;
};

export function handsOf(parts: Parts) {
  const {node, fabric, master, clock, tell} = parts;
  const {files, plan, no} = node;
  const prng = fabric.prng.fork();
  return {
    runner: new SimRunner({
      clock,
      prng,
      profile: plan.profile,
      machine: machineAt(plan),
      tell,
      keep: output => {
        if (output.kind === 'blob') files.set(output.blobId, output.size);
      },
      apps: appsOf(parts),
      onLoaded: (order, loaded) => fabric.watcher?.started(node, order, loaded),
    }),
    blobs: new SimBlobs({
      clock,
      tell,
      files,
      uploadMs: () => fabric.uploadMs(),
      breaks: () => fabric.uploadBreaks(),
      store: (blobId, size, purpose) => master.storeBlob(node, blobId, size, purpose),
    }),
    actions: new SimActions({
      clock,
      prng,
      tell,
      files,
      no,
      onOrder: order => fabric.watcher?.ordered(node, order, clock.now().mono),
      onFired: order => fabric.watcher?.fired(node, order),
    }),
    bulkEar: new SimEar({
      clock,
      crypto: fabric.crypto,
      dice: fabric.bulkDice(no),
      tell,
      pushed: node.pushed,
      diskMs: () => fabric.diskMs(),
      uploadMs: () => fabric.uploadMs(),
      breaks: () => fabric.uploadBreaks(),
      isServed: () => master.core?.context.roster.node(node.nodeId)?.welcomed === true,
    }),
  };
}

function appsOf({fabric, master, clock, link}: Parts): SimApps | undefined {
  const {vault, appBlobs} = master;
  if (!vault) return undefined;
  return new SimApps({
    crypto: fabric.crypto,
    clock,
    appKeys: () => link.trustDocument()?.appKeys ?? [], // as cli/node-process.ts
    bytesOf: blobId => fabric.swap?.(blobId) ?? appBlobs.get(blobId),
    transferMs: () => fabric.transferMs(),
  });
}
