import { Refusal } from '../domain/refusal.js';
import { modelOf } from './model-host.js';
import type { ServingDirectory } from './serving-directory.js';

/**
 * Columns of a registered version's one input tensor, when it says them; it is loaded for that. Refused as `MR_INFERENCE_UNSERVABLE` or unknown only where
 * that stays so: what is tried again, as when the artifact store is away, is `MR_INFERENCE_LOADING`.
 */
export async function columnsOf(
  directory: Pick<ServingDirectory, 'findToTry'>,
  model: string,
  version: number,
): Promise<readonly string[] | undefined> {
  // Exported, it runs elsewhere: what is left out of its records does not depend on whether it is served here.
  const { slotOf, reference } = await directory.findToTry(model, String(version));
  const slot = slotOf(reference);
  const label = `version ${version} of model ${JSON.stringify(model)}`;
  if (slot && !slot.current && slot.isRetried) throw new Refusal('MR_INFERENCE_LOADING', `${label}: ${slot.failure ?? 'not loaded'}`);
  return modelOf(slot, label).features;
}
