// Connections of a server, so that nobody can hold all of them. Whoever has not yet shown that it may speak
// is a stranger: strangers have a small room of their own, and when it is full the one that has waited
// longest goes. An honest program shows its token with its first bytes and is out of there within a turn
// of the event loop; who only holds connections is pushed out by the next. Known connections are counted
// by name, so that one token or one node has its share and no more.

import type {Server} from 'node:http';
import type {Socket} from 'node:net';

export type LobbyLimits = {
  /** Connections that have shown nothing yet. */
  readonly strangers: number;
  /** Of one address; those of this machine itself share the whole room. */
  readonly strangersPerSource: number;
  /** Connections of one token or node. */
  readonly perName: number;
  /** Of all of them. */
  readonly known: number;
};

/** What may be open for the moment that a burst of new ones takes to be looked at. */
const BURST = 1_024;
const LOOPBACK = /^(::ffff:)?127\.|^::1$/;

export class Lobby {
  readonly #limits: LobbyLimits;
  readonly #strangers = new Set<Socket>();
  readonly #bySource = new Map<string, Set<Socket>>();
  readonly #names = new Map<Socket, string>();
  readonly #byName = new Map<string, Set<Socket>>();
  readonly #crowded = new Set<string>();

  constructor(limits: LobbyLimits) {
    this.#limits = limits;
  }

  attach(server: Server): void {
    server.maxConnections = this.#limits.known + this.#limits.strangers + BURST;
    server.on('connection', socket => this.#enter(socket));
  }

  get strangerCount(): number {
    return this.#strangers.size;
  }

  get knownCount(): number {
    return this.#names.size;
  }

  /**
   * The connection may speak, as `name`. False: that name, or all, have as many as they may.
   * @param reserved connections that only this name may still have when the others have all theirs
   */
  welcome(socket: Socket, name: string, reserved = 0): boolean {
    const known = this.#names.get(socket);
    // A connection that we did not see come is none of the network's.
    if (known === name || (known === undefined && !this.#strangers.has(socket))) return true;
    const {perName, known: all} = this.#limits;
    const own = this.#byName.get(name) ?? new Set();
    if (own.size >= perName + reserved || this.#names.size >= all + reserved) return false;
    this.#forget(socket);
    this.#names.set(socket, name);
    this.#byName.set(name, own.add(socket));
    return true;
  }

  /** Ends every connection of `name`. */
  cut(name: string): void {
    for (const socket of this.#byName.get(name) ?? []) socket.destroy();
  }

  #enter(socket: Socket): void {
    const source = socket.remoteAddress ?? '';
    const same = this.#bySource.get(source) ?? new Set();
    this.#strangers.add(socket);
    this.#bySource.set(source, same.add(socket));
    socket.once('close', () => this.#forget(socket, source));
    const isFull = this.#strangers.size > this.#limits.strangers;
    if (isFull || same.size > this.#roomOf(source)) this.#sweepSoon(source);
  }

  #roomOf(source: string): number {
    const {strangers, strangersPerSource} = this.#limits;
    return LOOPBACK.test(source) ? strangers : strangersPerSource;
  }

  /** After what the new ones may have sent with their first packet was read: that takes two turns. */
  #sweepSoon(source: string): void {
    const isUnderWay = this.#crowded.size > 0;
    this.#crowded.add(source);
    if (!isUnderWay) setImmediate(() => setImmediate(() => this.#sweep()));
  }

  #sweep(): void {
    for (const source of this.#crowded)
      dropOldest(this.#bySource.get(source), this.#roomOf(source));
    this.#crowded.clear();
    dropOldest(this.#strangers, this.#limits.strangers);
  }

  #forget(socket: Socket, source = socket.remoteAddress ?? ''): void {
    this.#strangers.delete(socket);
    take(this.#bySource, source, socket);
    take(this.#byName, this.#names.get(socket) ?? '', socket);
    this.#names.delete(socket);
  }
}

/** They leave the set themselves, once they are closed. */
function dropOldest(sockets: ReadonlySet<Socket> | undefined, room: number): void {
  let over = 0;
  for (const socket of sockets ?? []) if (!socket.destroyed) over++;
  over -= room;
  for (const socket of sockets ?? []) {
    if (over <= 0) return;
    if (socket.destroyed) continue;
    socket.destroy();
    over--;
  }
}

function take(sets: Map<string, Set<Socket>>, key: string, socket: Socket): void {
  const set = sets.get(key);
  if (set?.delete(socket) && set.size === 0) sets.delete(key);
}
