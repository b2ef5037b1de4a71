export { isTrusted, openBundle, signFiles, type OpenedBundle, type SignedFile } from './bundle.js';
export { compareFiles, directoryDigest, SINGLE_FILE, type FileDifference } from './compare-files.js';
export { fileDigests, filesOf } from './file-digests.js';
export { generateSigningKey, readPublicKeys, readSigningKey, type PublicSigningKey, type SigningKey } from './keys.js';
