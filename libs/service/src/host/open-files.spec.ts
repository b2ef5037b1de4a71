import { expect, test } from '@jest/globals';
import { tooFewFiles } from './open-files.js';

const limits = (soft: string) => `Limit                     Soft Limit           Hard Limit           Units
Max stack size            8388608              unlimited            bytes
Max open files            ${soft.padEnd(20)} ${soft.padEnd(20)} files
`;

test('a low limit of open files is told with its number and where to raise it', () => {
  expect(tooFewFiles(limits('256'))).toMatch(/may open 256 files.*LimitNOFILE/);
});

test('a limit that is high enough, none, or none that is known is no trouble', () => {
  for (const text of [limits('1024'), limits('1048576'), limits('unlimited'), '']) expect(tooFewFiles(text)).toBeUndefined();
});
