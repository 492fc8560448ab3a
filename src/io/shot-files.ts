// The folder in which actions write pictures, and the way of these into the blob store. What an
// action says of its files is held to: bare names that begin with the shot's, plain files in the
// folder itself. So a program that was tricked cannot have the node's keys collected as a picture.

import {lstatSync, readdirSync, rmSync} from 'node:fs';
import {join, resolve} from 'node:path';
import type {BlobId} from '../base/types.ts';
import {BLOB_BYTES_MAX, NAME_BYTES_MAX, SHOT_FILES_MAX} from '../wire/limits.ts';
import type {ShotFile} from '../wire/message.ts';
import {makeSecretDirectory} from './key-files.ts';

/** Moves a file into the blob store; durable when fulfilled. */
export type PutFile = (path: string) => Promise<{readonly blobId: BlobId; readonly size: number}>;

export type Collected =
  | {readonly kind: 'files'; readonly files: readonly ShotFile[]}
  | {readonly kind: 'failed'; readonly reason: string};

const SHOT_FILE_NAME = /^\d+-\d+[.-][A-Za-z0-9._-]+$/;

export class ShotFiles {
  readonly #dir: string;
  readonly #putFile: PutFile;

  /** Makes the folder, or clears it of shots that a crash left there: nobody will ask for them. */
  constructor(dir: string, putFile: PutFile) {
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
    if (found.size > BLOB_BYTES_MAX) return `${name} has ${found.size} bytes; too many`;
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
