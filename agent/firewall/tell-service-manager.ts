import { runTrusted } from '../posture/run-trusted.ts';

const limitMs = 5000;

/** Says READY=1 to systemd, as `Type=notify` waits for: what is ordered after us begins then. To nobody, where nobody asked. */
export async function tellServiceManager(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const socket = environment['NOTIFY_SOCKET'];
  if (socket === undefined) return;
  await runTrusted('/usr/bin/systemd-notify', ['--ready'], {
    environment: { NOTIFY_SOCKET: socket },
    timeoutMs: limitMs,
  });
}
