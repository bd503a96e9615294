/** The figures of one benchmark, as lines to read: the first program is what the others are compared with. */
export function report({ name, title, unit, programs }, { launches, rounds, requests }, figures) {
  const [base] = figures;
  const lines = programs.map((program, index) => {
    const own = figures[index];
    const start = `  ${program.name.padEnd(20)} ${quantile(own, 0.5).toFixed(1).padStart(9)} µs`;
    if (index === 0) return start;
    const ratios = own.map((figure, round) => figure / base[round]);
    const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(ratios, q));
    const quartiles = `${low.toFixed(3)} to ${high.toFixed(3)}`;
    return `${start}   ${middle.toFixed(3)}   ${quartiles}${verdict(program.target, middle)}`;
  });
  return [
    "",
    `${name}: ${title}`,
    `${launches} launches, ${rounds} rounds each, ${requests} ${unit}s of each program a round`,
    `${`  CPU per ${unit}, median`.padEnd(37)} ratio   quartiles`,
    ...lines,
  ].join("\n");
}

const verdict = (target, ratio) =>
  target ? `   target: at most ${target.toFixed(2)}, ${ratio <= target ? "met" : "missed"}` : "";

/** Between two figures it is interpolated, so that the median of an even number of rounds is the usual one. */
export function quantile(figures, q) {
  const sorted = figures.toSorted((a, b) => a - b);
  const place = (sorted.length - 1) * q;
  const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}
