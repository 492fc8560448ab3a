// The calls of WASI preview 1 that a module may import, with their types: i = i32, I = i64. All answer
// with an error number (i32), but proc_exit, which does not come back.

export const WASI_MODULE = 'wasi_snapshot_preview1';

/** Calls with an answer. */
const ANSWERED = {
  args_get: 'ii',
  args_sizes_get: 'ii',
  environ_get: 'ii',
  environ_sizes_get: 'ii',
  clock_res_get: 'ii',
  clock_time_get: 'iIi',
  fd_close: 'i',
  fd_datasync: 'i',
  fd_fdstat_get: 'ii',
  fd_fdstat_set_flags: 'ii',
  fd_filestat_get: 'ii',
  fd_prestat_get: 'ii',
  fd_prestat_dir_name: 'iii',
  fd_read: 'iiii',
  fd_seek: 'iIii',
  fd_sync: 'i',
  fd_tell: 'ii',
  fd_write: 'iiii',
  poll_oneoff: 'iiii',
  proc_exit: 'i',
  random_get: 'ii',
  sched_yield: '',
} as const;

/**
 * Calls that compilers link in whether used or not (Go's runtime, C's stdio) and that need a file or a
 * folder. A workunit has none, so they say so; they have no other code behind them.
 */
const DENIED = {
  fd_advise: 'iIIi',
  fd_allocate: 'iII',
  fd_fdstat_set_rights: 'iII',
  fd_filestat_set_size: 'iI',
  fd_filestat_set_times: 'iIIi',
  fd_pread: 'iiiIi',
  fd_pwrite: 'iiiIi',
  fd_readdir: 'iiiIi',
  fd_renumber: 'ii',
  path_create_directory: 'iii',
  path_filestat_get: 'iiiii',
  path_filestat_set_times: 'iiiiIIi',
  path_link: 'iiiiiii',
  path_open: 'iiiiiIIii',
  path_readlink: 'iiiiii',
  path_remove_directory: 'iii',
  path_rename: 'iiiiii',
  path_symlink: 'iiiii',
  path_unlink_file: 'iii',
} as const;

export const WASI_ANSWERED = Object.keys(ANSWERED) as readonly (keyof typeof ANSWERED)[];
export const WASI_DENIED = Object.keys(DENIED) as readonly (keyof typeof DENIED)[];

/** `iIi>i`: parameters, results. undefined = no node provides a call of this name. */
export const WASI_TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({...ANSWERED, ...DENIED}).map(([name, parameters]) => [
    name,
    `${parameters}>${name === 'proc_exit' ? '' : 'i'}`,
  ]),
);
