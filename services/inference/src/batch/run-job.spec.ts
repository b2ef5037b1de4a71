import { expect, test } from '@jest/globals';
import { Fault } from '@millrace/kernel';
import { Refusal, type RefusalCode } from '../domain/refusal.js';
import { passes } from './batch-fault.js';
import { pinnedModel } from './run-job.js';

const DELAY = { model: 'delay', version: 2, digest: 'ab'.repeat(32) };

test('a job whose version was deleted meanwhile says which, whatever else there is of the name', async () => {
  const findVersion = (error: Error) => ({ findVersion: () => Promise.reject(error) });
  for (const code of ['MR_INFERENCE_UNKNOWN_MODEL', 'MR_INFERENCE_UNKNOWN_VERSION'] as const) {
    await expect(pinnedModel(findVersion(new Refusal(code, 'there is no deployment "delay"')), DELAY)).rejects.toMatchObject({
      code: 'MR_INFERENCE_UNKNOWN_VERSION',
      message: 'version 2 of model "delay", with which the job was accepted, is not registered any more; ask for the job with one that is',
    });
  }
  const loading = new Refusal('MR_INFERENCE_LOADING', 'it is being loaded');
  await expect(pinnedModel(findVersion(loading), DELAY)).rejects.toBe(loading);
});

test('a job is tried again after what passes by itself, a thread that ended among it', () => {
  const is = (code: RefusalCode): boolean => passes(new Refusal(code, 'no'));
  expect((['MR_INFERENCE_LOADING', 'MR_INFERENCE_BUSY', 'MR_INFERENCE_CRASHED'] as const).map(is)).toEqual([true, true, true]);
  expect((['MR_INFERENCE_UNSERVABLE', 'MR_INFERENCE_UNKNOWN_VERSION', 'MR_INFERENCE_FAILED'] as const).map(is)).toEqual([
    false,
    false,
    false,
  ]);
  expect([passes(new Fault('MR_ARTIFACT_DISK_FULL', 'full', true)), passes(new Error('a defect'))]).toEqual([true, false]);
});
