import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** The part of Node's hashes that the library uses; a hosted page has no crypto.subtle without https. */
export function createHash(name: string) {
  if (name !== 'sha256') throw new Error(`no hash "${name}" in the browser`);
  const hash = sha256.create();
  const self = {
    update(data: string | Uint8Array) {
      hash.update(typeof data === 'string' ? new TextEncoder().encode(data) : data);
      return self;
    },
    digest: (_encoding: 'hex'): string => bytesToHex(hash.digest()),
  };
  return self;
}

const absent = (name: string) => (): never => {
  throw new Error(`${name} is not there in a browser`);
};

// Only for writing and locking files, which a page does not.
export const randomBytes = absent('randomBytes');
export const randomUUID = absent('randomUUID');
