// An output-stationary array: ROWS pixels x COLS output channels, an accumulator each.
//
// A row's inputs go to all its elements, a column's factors likewise. add: one bit a row: whether the pixel reads
// anything at this tap (zeros of padding and between the inputs of a transposed convolution are not added).
module pe_array #(
  parameter ROWS = 4, parameter COLS = 3,
  parameter X = 9, parameter W = 8, parameter ACC = 32, parameter TREE = 1, parameter TERNARY = 0,
  parameter OVERFLOW = 0
) (
  input clk, input load, input [ROWS-1:0] add,
  input [ROWS*TREE*X-1:0] x, input [COLS*TREE*W-1:0] w, input [COLS*ACC-1:0] start,
  output [ROWS*COLS*ACC-1:0] acc, output [ROWS*COLS-1:0] overflowed
);
  genvar r, c;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : row
      for (c = 0; c < COLS; c = c + 1) begin : column
        pe #(.X(X), .W(W), .ACC(ACC), .TREE(TREE), .TERNARY(TERNARY), .OVERFLOW(OVERFLOW)) element (
          .clk(clk), .load(load), .add(add[r]),
          .x(x[r*TREE*X +: TREE*X]), .w(w[c*TREE*W +: TREE*W]), .start(start[c*ACC +: ACC]),
          .acc(acc[(r*COLS+c)*ACC +: ACC]), .overflowed(overflowed[r*COLS+c])
        );
      end
    end
  endgenerate
endmodule
