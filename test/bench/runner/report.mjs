/** Formats the figures of one comparison. All programs are compared with the first one. */
export function report({ name, title, unit, programs }, { launches, rounds, requests }, figures) {
  const [base] = figures;
  const lines = programs.map((program, index) => {
    const programFigures = figures[index];
    const median = quantile(programFigures, 0.5).toFixed(1).padStart(9);
    const start = `  ${program.name.padEnd(20)} ${median} µs`;
    if (index === 0) return start;
    const ratios = programFigures.map((figure, round) => figure / base[round]);
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

/** Returns a quantile. Between two figures it is interpolated, as for the usual median of an even number. */
export function quantile(figures, q) {
  const sorted = figures.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  return below + (above - below) * (position - Math.floor(position));
}
