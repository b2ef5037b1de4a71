export { artifactDigest, type ArtifactDigest } from './artifact-digest.js';
export { artifactNotFound, artifactSegments, fileSegments, joinArtifactPath, refusedPath } from './artifact-path.js';
export type { ArtifactInfo, ArtifactStore, ByteRange, StoredArtifact } from './artifact-store.js';
export { MOST_PARTS, type MultipartUploads, type UploadedPart } from './multipart.js';
