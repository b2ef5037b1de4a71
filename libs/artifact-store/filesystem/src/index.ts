export { FilesystemArtifactStore } from './filesystem-artifact-store.js';
