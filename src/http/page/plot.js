/** The time that a plot shows, which is the width of its drawing in seconds. */
const WINDOW_S = 300;
const PLOT_HEIGHT = 40;

/** A line over the last minutes, from zero up to the largest value among them. */
class Plot {
  #svg;
  #label;

  constructor(svg, label) {
    this.#svg = svg;
    this.#label = label;
  }

  /** Draws `samples` of `{at, value}`, `at` in seconds, of which the last one is now. */
  draw(samples, format) {
    const values = samples.map(({ value }) => value);
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const now = samples.at(-1).at;
    const x = (at) => (WINDOW_S - (now - at)).toFixed(1);
    // Half a line's width stays free above and below, so that neither zero nor the peak is cut.
    const y = (value) => (PLOT_HEIGHT - 1 - (most > 0 ? value / most : 0) * (PLOT_HEIGHT - 3)).toFixed(1);
    const line = samples.map(({ at, value }) => `${x(at)} ${y(value)}`).join('L');
    this.#path('line', `M${line}`);
    this.#path('area', `M${x(samples[0].at)} ${PLOT_HEIGHT}L${line}L${WINDOW_S} ${PLOT_HEIGHT}Z`);
    const range = least === most ? `${format(most)} all the time` : `from ${format(least)} to ${format(most)}`;
    this.#svg.setAttribute('aria-label', `${this.#label}, the last 5 minutes: ${range}`);
  }

  clear() {
    this.#path('line', '');
    this.#path('area', '');
    this.#svg.setAttribute('aria-label', `${this.#label}: nothing to show yet`);
  }

  #path(name, d) {
    this.#svg.querySelector(`.${name}`).setAttribute('d', d);
  }
}
