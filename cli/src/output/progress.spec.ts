import { describe, expect, test } from '@jest/globals';
import { Progress, sizeText } from './progress.js';

describe('Progress', () => {
  test('shows share, speed and what is left, no more often than ten times a second', () => {
    let now = 0;
    const shown: string[] = [];
    const progress = new Progress({ err: (text) => void shown.push(text), isInteractive: true }, 4096, () => now);
    now = 1000;
    progress.add('model.pkl', 1024);
    progress.add('model.pkl', 1024);
    now = 2000;
    progress.add('model.pkl', 1024);
    progress.end();
    expect(shown.map((text) => text.replace('\r\u001b[K', ''))).toEqual([
      'model.pkl  1.0 KiB of 4.0 KiB (25%)  1.0 KiB/s, 3 s left',
      'model.pkl  3.0 KiB of 4.0 KiB (75%)  1.5 KiB/s, 1 s left',
      '',
    ]);
  });

  test('is silent where nobody watches', () => {
    const shown: string[] = [];
    const progress = new Progress({ err: (text) => void shown.push(text), isInteractive: false }, undefined);
    progress.add('x', 5);
    progress.end();
    expect([shown, progress.done]).toEqual([[], 5]);
  });

  test('sizes in words', () => {
    expect([0, 1023, 1024, 10 * 1024 ** 3].map(sizeText)).toEqual(['0 B', '1023 B', '1.0 KiB', '10.0 GiB']);
  });
});
