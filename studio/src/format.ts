import { scaled } from '../../src/report/format.ts';

/** 12_015_940 as "11.5 MB". */
export const bytes = (value: number): string => scaled(value, 1024, [' B', ' kB', ' MB', ' GB']);
