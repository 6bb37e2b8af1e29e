// Accumulator -> code: times a multiplier, a rounding shift (to nearest, ties upward), plus a zero point, clamped.
//
// multiplier: signed, below 2**31 in size. shift: -16 .. 62, to the left where it is negative.
module requantize #(parameter ACC = 32, parameter OUT = 8) (
  input signed [ACC-1:0] acc, input signed [31:0] multiplier, input signed [7:0] shift,
  input signed [OUT:0] zero_point, input signed [OUT:0] low, input signed [OUT:0] high,
  output signed [OUT-1:0] code
);
  localparam WIDE = ACC + 32 + 17;  // the product, a shift to the left, and what rounding adds
  localparam ROUND = (WIDE > 64) ? WIDE : 64;
  wire signed [ROUND-1:0] product = acc * multiplier;
  wire signed [ROUND-1:0] half = (shift > 0) ? {{(ROUND-1){1'b0}}, 1'b1} << (shift - 1) : 0;
  wire signed [ROUND-1:0] rounded = (shift > 0) ? (product + half) >>> shift : product <<< -shift;
  wire signed [ROUND-1:0] moved = rounded + zero_point;
  wire signed [ROUND-1:0] clamped = (moved < low) ? low : (moved > high) ? high : moved;
  assign code = clamped[OUT-1:0];
endmodule
