import type { Browser } from 'playwright-core';
import { findCommand, need } from './toolchain.js';

/** Nothing of its own on the network, no sandbox (tests run as root), no graphics. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A real Chromium without a window, with an empty profile of its own: Debian's, installed when it is missing, as nothing else downloads a browser here. */
export async function startChromium(): Promise<Browser> {
  const command = () => findCommand('chromium') ?? findCommand('chromium-browser');
  await need({ what: 'chromium', isPresent: async () => command() !== undefined, packages: ['chromium'] });
  // Loaded only here: that takes half a second, and nearly every suite imports this package.
  const { chromium } = await import('playwright-core');
  return chromium.launch({ executablePath: command() as string, args: FLAGS, headless: true });
}
