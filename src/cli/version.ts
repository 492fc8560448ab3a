import {readFileSync} from 'node:fs';

/** Of the package, as in package.json two folders up (the same from src and from dist). */
export function packageVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(path, 'utf8')) as {version: string}).version;
}
