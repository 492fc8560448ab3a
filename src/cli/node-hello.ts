// What a node tells of what its owner allows, and whether it fits the datagram of its Hello.

import {toUtf8} from '../base/bytes.ts';
import {VolleyError} from '../base/errors.ts';
import {actionGrant, imageGrant} from '../core/grants.ts';
import type {ActionSpec} from '../io/allowed-actions.ts';
import type {ContainersWish, FoundContainers} from '../io/containers.ts';
import {takesBundle} from '../io/runner-exec.ts';
import type {NodeConfig} from '../node/memory.ts';
import {LABELS_MAX, NAME_BYTES_MAX} from '../wire/limits.ts';

/** An action that takes files of the app has another word: no app without files is given, and no shot fired. */
export const actionsToTell = (actions: ReadonlyMap<string, ActionSpec>): readonly string[] =>
  [...actions].map(([action, {argv}]) => actionGrant(action, takesBundle(argv)));

type Told = Pick<NodeConfig, 'runtimes' | 'actions'>;

/** Images are told where an engine runs them. */
export const withContainers = ({runtimes, actions}: Told, {containers}: FoundContainers): Told =>
  containers === undefined
    ? {runtimes, actions}
    : {
        runtimes: [...runtimes, 'container'],
        actions: [...actions, ...containers.images.map(imageGrant)],
      };

/** Labels and actions travel in one datagram with the rest of Hello. */
const HELLO_TEXT_BYTES_MAX = 700;

/** Images count whether an engine is here today or not. */
export function checkHello(
  {labels, actions}: Pick<NodeConfig, 'labels' | 'actions'>,
  {images}: ContainersWish,
  path: string,
): void {
  const texts = [...labels, ...actions, ...images.map(imageGrant)];
  const bytes = texts.reduce((sum, text) => sum + toUtf8(text).length + 3, 0);
  const long = labels.find(label => toUtf8(label).length > NAME_BYTES_MAX);
  let reason: string | undefined;
  if (labels.length > LABELS_MAX) reason = `more than ${LABELS_MAX} labels`;
  else if (long !== undefined) reason = `"${long}" is longer than ${NAME_BYTES_MAX} bytes`;
  else if (bytes > HELLO_TEXT_BYTES_MAX)
    reason = `labels, names of actions and images exceed ${HELLO_TEXT_BYTES_MAX} bytes together`;
  if (reason !== undefined) throw new VolleyError('VOLLEY_BAD_CONFIG', {path, reason});
}
