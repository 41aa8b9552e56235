import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import type { FlowRecorderOptions, SpoolingFlowRecorder } from '../../src/flow/recorder.ts';
import { monday } from './samples.ts';

export function makeFlowDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-flow-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function openRecorder(
  directory: string,
  options: Partial<FlowRecorderOptions> = {},
): SpoolingFlowRecorder {
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot-1',
    worker: 1,
    productVersion: '0.1.0',
    now: () => monday + 1000,
    ...options,
  });
  onTestFinished(() => recorder.close());
  return recorder;
}

export const whenWritten = (recorder: SpoolingFlowRecorder): Promise<void> =>
  new Promise((resolve) => recorder.whenWritten(resolve));
