export type { ArtifactInfo, ArtifactStore, StoredArtifact } from './artifact-store.js';
