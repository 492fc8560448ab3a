// What the owner of a node has to allow before an app runs there, as one word that the app asks for and the node
// says in its Hello. A wasm app needs no word.
//
//   camera                    the program that the owner wrote beside the action
//   python+files              the same, where the owner's line takes files of the app ({bundle})
//   container:IMAGE           an image; of a node also container:PREFIX*

import type {AppManifest} from './app.ts';

const FILES = '+files';
const IMAGE = 'container:';

/** The word for an action. */
export const actionGrant = (action: string, takesFiles: boolean): string =>
  takesFiles ? action + FILES : action;

export const imageGrant = (pattern: string): string => IMAGE + pattern;

/** The word that this app asks for; '' = none. */
export function grantOf({runtime, action = '', bundle, image = ''}: AppManifest): string {
  if (runtime === 'container') return imageGrant(image);
  return runtime === 'exec' ? actionGrant(action, bundle !== undefined) : '';
}

/** Is it the image, or does it begin with what stands before the `*`? */
export const fitsImage = (pattern: string, image: string): boolean =>
  pattern.endsWith('*') ? image.startsWith(pattern.slice(0, -1)) : image === pattern;

/** @param allowed what a node said */
export const isGranted = (grant: string, allowed: readonly string[]): boolean =>
  grant === '' ||
  allowed.includes(grant) ||
  (grant.startsWith(IMAGE) && allowed.some(one => one.startsWith(IMAGE) && fitsImage(one, grant)));

/** What a node is that has it, as the end of a sentence. */
export function grantText(grant: string): string {
  if (grant.startsWith(IMAGE))
    return `able and allowed to run the image "${grant.slice(IMAGE.length)}"`;
  if (!grant.endsWith(FILES)) return `allowed the action "${grant}"`;
  return `allowed programs from the app for the action "${grant.slice(0, -FILES.length)}"`;
}
