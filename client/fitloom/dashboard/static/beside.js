// What is drawn beside a campaign's own contour: its single regions, compared campaigns, published contours.

const SLOTS = 4;

/** Whether a contour is of the plane in view: it comes a moment after the choice. */
export function isOf(contour, view) {
  const sorted = (where) => JSON.stringify(Object.entries(where ?? {}).sort());
  return view.axes.every((label, i) => contour.axes?.[i]?.label === label) && sorted(contour.where) === sorted(view.where);
}

/** The contour of the campaign in view, if it is of this plane. */
export function contourInView(board, campaign = board.campaign) {
  const contour = campaign?.contour;
  return contour && isOf(contour, board.view) ? contour : null;
}

/** The regions behind a combination, where they are asked for: {name, slot, lines}. */
export function eachRegion(board) {
  const contour = board.choices.each ? contourInView(board) : null;
  const regions = contour?.regions.filter((entry) => !entry.combined) ?? [];
  return regions.map((entry, i) => ({ name: entry.region ?? '', slot: slot(i), lines: entry.lines }));
}

/** Compared campaigns and published contours: {name, slot, observed, expected}; the slot gives the colour. */
export function others(board) {
  const campaigns = [...board.compared.values()].map(({ campaign }) => {
    const lines = board.drawn(contourInView(board, campaign))?.lines;
    return { name: campaign.facts?.name ?? '', observed: lines?.observed ?? [], expected: lines?.expected ?? [] };
  });
  const published = board.overlays.filter((overlay) => overlay.shown).map((overlay) => (
    { name: overlay.name, observed: overlay.lines.map((line) => line.vertices), expected: [] }));
  return [...campaigns, ...published].map((other, i) => ({ ...other, slot: slot(i) }));
}

function slot(i) {
  return (i % SLOTS) + 1;
}
