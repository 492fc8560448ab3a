// When the stack or the memory of a js app is used up depends on what V8 had optimized by then, and on the machine. An app
// that catches that and goes on would show it in its output. So every `catch` and `finally` of its script tells what it
// met before it goes on, and a run that was told of such an end has failed, whatever it returns. Done once, when the
// script is made: what catches nothing runs as it did.

import {type AnyNode, type Node, parse, type TryStatement} from 'acorn';
import {CAUGHT} from './js-exhaustion.ts';

const ERROR = '$volleyError';
const TELLING = `${CAUGHT}(${ERROR});`;

/** Stands in place of what is there. */
type Change = {readonly at: number; readonly until: number; readonly text: string};

const insert = (at: number, text: string): Change => ({at, until: at, text});

/** The script with each `catch` and `finally` telling. */
export function tellingCatches(script: string): string {
  const changes = triesOf(parse(script, {ecmaVersion: 'latest'})).flatMap(one =>
    changesOf(one, script),
  );
  changes.sort((a, b) => a.at - b.at);
  let told = '';
  let from = 0;
  for (const {at, until, text} of changes) {
    // Inside of what was replaced: a pattern with a function in it.
    if (at < from) continue;
    told += script.slice(from, at) + text;
    from = until;
  }
  return told + script.slice(from);
}

const isNode = (thing: unknown): thing is AnyNode =>
  typeof thing === 'object' && thing !== null && typeof (thing as Node).type === 'string';

function triesOf(tree: Node): TryStatement[] {
  const found: TryStatement[] = [];
  const open: unknown[] = [tree];
  while (open.length > 0) {
    const next = open.pop();
    if (Array.isArray(next)) {
      for (const one of next) open.push(one);
    } else if (isNode(next)) {
      if (next.type === 'TryStatement') found.push(next);
      open.push(...Object.values(next));
    }
  }
  return found;
}

function changesOf({block, handler}: TryStatement, script: string): Change[] {
  // What `finally` returns would stand in place of the error.
  if (!handler) return [insert(block.end, `catch(${ERROR}){${TELLING}throw ${ERROR}}`)];
  const {param, body, start} = handler;
  const inside = body.start + 1;
  if (!param) return [{at: start, until: inside, text: `catch(${ERROR}){${TELLING}`}];
  const name = script.slice(param.start, param.end);
  if (param.type === 'Identifier') return [insert(inside, `${CAUGHT}(${name});`)];
  return [
    {at: param.start, until: param.end, text: ERROR},
    insert(inside, `${TELLING}let ${name}=${ERROR};`),
  ];
}
