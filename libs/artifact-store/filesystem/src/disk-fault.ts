import { Fault } from '@millrace/kernel';

/** No room on the device, and none left of somebody's share of it. */
const FULL: readonly unknown[] = ['ENOSPC', 'EDQUOT'];

/**
 * What a write below a directory failed with, as it is told: a full disk is a fault that names the directory and passes once there is room,
 * so that who tries again gets on and who asks is not told of a defect. Anything else as it is.
 */
export function diskFaultOf(directory: string, error: unknown): unknown {
  if (!FULL.includes((error as { readonly code?: unknown } | undefined)?.code)) return error;
  return new Fault('MR_ARTIFACT_DISK_FULL', `the disk of ${directory} is full; make room, and try again`, true, { cause: error });
}
