// A blob on its way to many nodes, as the master keeps it: rows of `transfer` and `delivery`, and what faces show.

import {hex32} from '../base/bytes.ts';
import {asNodeId, type NodeId} from '../base/types.ts';
import type {Target} from '../wire/message.ts';
import type {AsideReason} from './bulk-members.ts';

/** Symbols of a transfer, and how many make a block (core/bulk-layout.ts). Blocks of 89,600 bytes. */
export const SYMBOL_BYTES = 1_400;
export const SYMBOLS_PER_BLOCK = 64;

/** `app`, `shared`: on behalf of what nodes will ask for; `push`: an operator sends a file. */
export type TransferPurpose = 'push' | 'app' | 'shared';

export type TransferState =
  | 'waiting'
  /** Its blocks are hashed. */
  | 'preparing'
  | 'sending'
  /** The multicast is over; some nodes fetch what they lack, or are not there. */
  | 'fetching'
  | 'ended'
  | 'cancelled'
  | 'failed';

export type TransferRow = {
  readonly id: number;
  /** Random: tells it from one of a lost past with the same number. */
  readonly salt: number;
  readonly purpose: TransferPurpose;
  /** 64 hex characters; of one that is over the first 16: its blob is free to go. */
  readonly blob: string;
  readonly size: number;
  readonly fileName?: string;
  readonly target: Target;
  /** Bits per second that the operator allows; absent = found by itself. */
  readonly rate?: number;
  readonly createdAt: number;
  readonly endedAt?: number;
  readonly state: 'open' | 'ended' | 'cancelled' | 'failed';
  readonly reason?: string;
  /** Whom it was meant for when it was asked for. */
  readonly nodes: readonly NodeId[];
};

/** What became of it at one node. */
export type DeliveryRow = {
  readonly state: 'whole' | 'declined' | 'gaveUp' | 'missed';
  /** Of what is not whole. */
  readonly reason?: string;
  readonly at: number;
};

export const transferKey = (id: number): string => hex32(id);
export const deliveryKey = (id: number, nodeId: NodeId): string => `${hex32(id)}${nodeId}`;
export const decodeDeliveryKey = (key: string): {readonly id: number; readonly nodeId: NodeId} => ({
  id: Number.parseInt(key.slice(0, 8), 16),
  nodeId: asNodeId(key.slice(8)),
});

/** Where one node is. */
export type NodeDelivery = {
  readonly nodeId: NodeId;
  /** `invited`: it has not answered; `aside`: it fetches the rest by itself, later or (`fetching`) now. */
  readonly state: 'invited' | 'listening' | 'aside' | 'fetching' | DeliveryRow['state'];
  readonly reason?: string;
  /** Whole blocks, of all. */
  readonly blocks: number;
};

/** Why a node was left behind, for people. */
export const ASIDE_REASONS: Readonly<Record<AsideReason, string>> = {
  silent: 'it is not heard',
  lossy: 'it loses more than every tenth datagram: look at its cable and its switch port',
  slow: 'its disk is too slow for the others to wait',
  late: 'it came too late for the others to wait',
  spoiled: 'what it heard was not what the master sent',
};
