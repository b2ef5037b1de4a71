import { describe, expect, test } from '@jest/globals';
import { cityHash128 } from './city-hash-128.js';

const data = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7 + Math.floor(i / 13)) & 255));

/** Values of the original C++ code (PyPI's `clickhouse-cityhash` 1.0.2), low half first. */
const KNOWN: Record<number, string> = {
  0: '3df09dfc64c09a2b3cb540c392e51e29',
  1: 'a04b71ab61de6422f768684937e23970',
  3: '904c24441e897ae0ead37d2c71af49a5',
  4: '6d8a9de36bf3701cc90e6586a31e84f6',
  7: '2ac1cb1e79a3033e1a511db9333e0d88',
  8: '4f8f9be1d179c9b57ae37c19937d40e6',
  15: '6dd6cff4f909d987353404cea96bcde7',
  16: '371a6c62eb0ec11e5f391b96fb8ecb09',
  17: 'd03e210fa87b870ef391d69beb8193e2',
  24: '2cf543c68624328d81bd88c13ae5bfe6',
  25: 'afb62a960cf826c9b998979183ad63f8',
  31: '1dfd9e7ba69d42aa55ea87f35c401cda',
  32: '11331bdbe0993b23c26cb38d8e76b462',
  33: '6adf93f344dcedf47b36f0b7bb9349a5',
  64: 'caa99ecd94207c5ac5ab9c41e2885338',
  100: '0448663c97ade9e170f93f69313cb467',
  127: 'e6e01746af68089d65a2db6bab4d9ad7',
  128: 'e75e39f91a2e283fe609f5545b17af2b',
  143: '4acc57bda290e798e37dc0511493f389',
  144: '2ca2f1806dfd9162314d5cdb3221c447',
  145: '1c81407e9dce32efba065c4954ba9785',
  200: 'd2e50f7ba9ebd0b231176ea165324d93',
  271: 'c05a856fa54fd2516dbdca62c1440aa0',
  272: 'df5a2c21560212b50db7f749e49525dc',
  273: '2741d42842bcba869a2e1a0a1caa97f9',
  1000: '708a96ccdef607b34bb081f710e628ad',
  4999: '759cae07d6605990cb0868f4c25388d3',
};

describe('cityHash128', () => {
  test.each(Object.entries(KNOWN))('of %s bytes', (length, expected) => {
    const { low, high } = cityHash128(data.subarray(0, Number(length)));
    expect(`${low.toString(16).padStart(16, '0')}${high.toString(16).padStart(16, '0')}`).toBe(expected);
  });
});
