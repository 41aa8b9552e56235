/** Epoch seconds as people on this laptop read them: its own time zone, and which that is. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const pad = (value: number): string => String(Math.abs(value)).padStart(2, '0');
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  const offset = -date.getTimezoneOffset();
  const zone = `${offset < 0 ? '-' : '+'}${pad(Math.trunc(offset / 60))}:${pad(offset % 60)}`;
  return `${day} ${pad(date.getHours())}:${pad(date.getMinutes())} (${zone})`;
}
