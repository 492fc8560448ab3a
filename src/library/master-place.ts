// master.json: where the running master is, so that the other commands find it. Written at its start,
// removed at its end; a stale one only means "no master answers at …".

import {rmSync} from 'node:fs';
import {join} from 'node:path';
import {fromUtf8, toUtf8} from '../base/bytes.ts';
import {isAlive, readOwned, SECRET_FILE_MODE, writeDurably} from '../io/key-files.ts';

export type MasterPlace = {
  readonly pid: number;
  readonly httpUrl: string;
  /** Where nodes reach it, `host:port`. */
  readonly address: string;
  /** What a node must be told beside the token, as it is typed; '' with the default ports. */
  readonly nodeFlags: string;
};

const pathOf = (data: string): string => join(data, 'master.json');

export function writeMasterPlace(data: string, place: MasterPlace): void {
  writeDurably(pathOf(data), toUtf8(`${JSON.stringify(place)}\n`), SECRET_FILE_MODE);
}

export const removeMasterPlace = (data: string): void => rmSync(pathOf(data), {force: true});

/** undefined when no master runs from this folder, or the file is not one of ours. */
export function readMasterPlace(data: string): MasterPlace | undefined {
  const bytes = readOwned(pathOf(data));
  if (bytes === undefined) return undefined;
  try {
    const place = JSON.parse(fromUtf8(bytes) ?? '') as Partial<MasterPlace>;
    const {pid, httpUrl, address, nodeFlags = ''} = place;
    if (typeof httpUrl !== 'string' || typeof address !== 'string') return undefined;
    return {pid: Number(pid), httpUrl, address, nodeFlags};
  } catch {
    return undefined;
  }
}

/** The master that runs from this folder now; undefined when what master.json names is no process. */
export function runningMaster(data: string): MasterPlace | undefined {
  const place = readMasterPlace(data);
  return place !== undefined && isAlive(place.pid) ? place : undefined;
}
