// Two colours for two signs on a canvas, clear at zero: the page's own ground shows through.
// Opacity is `most`, at the most 255, at `strongest` and beyond.
function shade(canvas, values, strongest, most, [below, above] = [[0, 114, 178], [213, 94, 0]]) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    const share = within(value / strongest, -1, 1);
    image.data.set([...(share < 0 ? below : above), most * Math.abs(share)], 4 * i);
  });
  context.putImageData(image, 0, 0);
}
