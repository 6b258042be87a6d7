/** How amounts are written: the same words as the commands'. */
export const dollars = (micro: number): string => `$${(micro / 1e6).toFixed(micro < 1e4 ? 4 : 2)}`;

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let left = value;
  let unit = 0;
  for (; left >= 1024 && unit < units.length - 1; unit += 1) left /= 1024;
  return `${unit ? left.toFixed(1) : left} ${units[unit] ?? ""}`;
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export const when = (iso: string): string => (iso ? new Date(iso).toLocaleString() : "");
