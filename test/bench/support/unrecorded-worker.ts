import { registerHooks } from 'node:module';

/** A worker as it is, src/gateway/worker.ts, but for its recorder, of which it finds another in its place. */
const other = new URL('./no-recorder.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith('/flow/recorder.ts')
      ? { url: other, shortCircuit: true, format: 'module-typescript' }
      : next(specifier, context),
});
await import('../../../src/gateway/worker.ts');
