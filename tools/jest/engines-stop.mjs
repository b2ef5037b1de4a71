// Jest's globalTeardown. When Jest does not get this far, the engines end with its process all the same.
export default async function stopEngines() {
  await globalThis.millraceTestEngines?.stop();
}
