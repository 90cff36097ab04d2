import { scaled } from '../../src/report/format.ts';

/** 12_015_940 as "11.5 MB". */
export const bytes = (value: number): string => scaled(value, 1024, [' B', ' kB', ' MB', ' GB']);

/** A moment (milliseconds since 1970) as "14:03:21", or "2026-03-01 14:03:21" where that was another day. */
export function moment(ms: number, now = Date.now()): string {
  const [day, time] = new Date(ms).toLocaleString('sv-SE').split(' ') as [string, string];
  return day === new Date(now).toLocaleString('sv-SE').split(' ')[0] ? time : `${day} ${time}`;
}
