// The folder in which actions write pictures, and the way of these into the blob store. What an
// action says of its files is held to: bare names that begin with the shot's, plain files in the
// folder itself. So a program that was tricked cannot have the node's keys collected as a picture.

import {lstatSync, readdirSync, rmSync} from 'node:fs';
import {statfs} from 'node:fs/promises';
import {join, resolve} from 'node:path';
import {setImmediate as nextTurn} from 'node:timers/promises';
import type {BlobId} from '../base/types.ts';
import {nodeFloor} from '../core/free-space.ts';
import {BLOB_BYTES_MAX, NAME_BYTES_MAX, SHOT_FILES_MAX} from '../wire/limits.ts';
import type {ShotFile} from '../wire/message.ts';
import {makeSecretDirectory} from './key-files.ts';
import {every} from './system-clock.ts';

/** Moves a file into the blob store; durable when fulfilled. */
export type PutFile = (path: string) => Promise<{readonly blobId: BlobId; readonly size: number}>;

export type Collected =
  | {readonly kind: 'files'; readonly files: readonly ShotFile[]}
  | {readonly kind: 'failed'; readonly reason: string};

export type ShotLimits = {
  /** Of one file. */
  readonly fileBytes: number;
  /** What stays free on the disk. */
  readonly freeBytes: number;
};
const LIMITS: ShotLimits = {fileBytes: BLOB_BYTES_MAX, freeBytes: nodeFloor()};
/** At 100 MB/s some 25 MB pass between two looks. */
const WATCH_MS = 250;

const SHOT_FILE_NAME = /^\d+-\d+[.-][A-Za-z0-9._-]+$/;

export class ShotFiles {
  readonly #dir: string;
  readonly #putFile: PutFile;
  readonly #limits: ShotLimits;

  /** Makes the folder, or clears it of shots that a crash left there: nobody will ask for them. */
  constructor(dir: string, putFile: PutFile, limits: ShotLimits = LIMITS) {
    this.#limits = limits;
    this.#dir = resolve(dir);
    this.#putFile = putFile;
    makeSecretDirectory(this.#dir);
    for (const name of readdirSync(this.#dir)) if (SHOT_FILE_NAME.test(name)) this.#remove(name);
  }

  pathOf(name: string): string {
    return join(this.#dir, name);
  }

  /**
   * Checks all files of a shot, then stores them in order.
   * @param said names from the action; undefined = all in the folder that begin with the shot's name
   */
  async collect(
    shot: string,
    said: readonly string[] | undefined,
    mustBeSome: boolean,
  ): Promise<Collected> {
    const names = said ?? this.#namesOf(shot);
    if (names.length === 0 && !mustBeSome) return {kind: 'files', files: []};
    const fault = this.#faultOf(shot, names);
    if (fault !== undefined) return {kind: 'failed', reason: fault};
    const files: ShotFile[] = [];
    for (const name of names) {
      try {
        files.push({name, ...(await this.#putFile(this.pathOf(name)))});
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        return {kind: 'failed', reason: `${name} could not be stored: ${why}`};
      }
    }
    return {kind: 'files', files};
  }

  /**
   * Looks again and again at what is being written, until the function that it gives is called: a program
   * that writes without end must not fill the disk of the node.
   *
   * @param stop called once, with the reason, when it is too much
   */
  watch(stop: (reason: string) => void): () => void {
    let isOver = false;
    const end = every(WATCH_MS, () => {
      void this.#tooMuch().then(async reason => {
        if (reason === undefined) return;
        await nextTurn(); // that it fired may lie in the pipe, said before it wrote
        if (isOver) return;
        isOver = true;
        stop(reason);
        // what a killed program still wrote is in nobody's name
        for (const name of readdirSync(this.#dir)) if (this.#isTooLarge(name)) this.#remove(name);
      });
    });
    return () => {
      isOver = true;
      end();
    };
  }

  async #tooMuch(): Promise<string | undefined> {
    const large = readdirSync(this.#dir).find(name => this.#isTooLarge(name));
    if (large !== undefined)
      return `the action wrote more than ${this.#limits.fileBytes} bytes into a file; make its pictures smaller`;
    const disk = await statfs(this.#dir).catch(() => undefined);
    if (disk === undefined || disk.bavail * disk.bsize >= this.#limits.freeBytes) return undefined;
    return `the disk of the node is nearly full: less than ${this.#limits.freeBytes} bytes are free; make room there`;
  }

  #isTooLarge(name: string): boolean {
    if (!SHOT_FILE_NAME.test(name)) return false;
    const size = lstatSync(this.pathOf(name), {throwIfNoEntry: false})?.size ?? 0;
    return size > this.#limits.fileBytes;
  }

  /** Removes what is left of a shot. */
  discard(shot: string): void {
    for (const name of this.#namesOf(shot)) this.#remove(name);
  }

  #faultOf(shot: string, names: readonly string[]): string | undefined {
    if (names.length === 0) return 'the action made no file';
    if (names.length > SHOT_FILES_MAX) {
      return `the action made ${names.length} files; at most ${SHOT_FILES_MAX} are taken`;
    }
    if (new Set(names).size < names.length) return 'the action named a file twice';
    for (const name of names) {
      const fault = this.#faultOfFile(shot, name);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #faultOfFile(shot: string, name: string): string | undefined {
    if (!isFileOf(shot, name) || name.length > NAME_BYTES_MAX) {
      const shown = JSON.stringify(name.slice(0, NAME_BYTES_MAX));
      return `the action named ${shown}, which is not a file of shot ${shot}`;
    }
    // lstat: a link would lead out of the folder
    const found = lstatSync(this.pathOf(name), {throwIfNoEntry: false});
    if (found === undefined) return `the action named ${name}, which is not there`;
    if (!found.isFile()) return `the action named ${name}, which is not a plain file`;
    if (found.size === 0) return `${name} is empty`;
    if (found.size > this.#limits.fileBytes) return `${name} has ${found.size} bytes; too many`;
    return undefined;
  }

  #namesOf(shot: string): string[] {
    return readdirSync(this.#dir)
      .filter(name => isFileOf(shot, name))
      .sort();
  }

  #remove(name: string): void {
    rmSync(this.pathOf(name), {recursive: true, force: true});
  }
}

const isFileOf = (shot: string, name: string): boolean =>
  SHOT_FILE_NAME.test(name) && name.startsWith(shot) && /[.-]/.test(name[shot.length] ?? '');
