import { Fault } from '@millrace/kernel';

const AROUND = 24;

/** An expression that means nothing: what is wrong, and where. `position` counts UTF-16 units from 0; people are told from 1. */
export function expressionFault(problem: string, text: string, position: number): Fault {
  const from = Math.max(0, position - AROUND);
  const to = Math.min(text.length, position + AROUND);
  const excerpt = `${from > 0 ? '…' : ''}${text.slice(from, position)}▸${text.slice(position, to)}${to < text.length ? '…' : ''}`;
  return new Fault('MR_FEATURES_EXPRESSION', `${problem}, at character ${position + 1}: ${excerpt}`, false, { details: { position } });
}
