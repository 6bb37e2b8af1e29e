// One layer on the array, from the files of `accelsim vectors` in the current folder alone.
//
// layer.vh gives the geometry and widths as parameters; the rest is read by $readmemh. Every accumulator, every code
// that it lands on and every stored code is compared with the file. The last line printed is
// "outputs N differences D overflowed V cycles C".
module layer_tb;
`include "layer.vh"
  parameter ROWS = 8;              // pixels at a time: every STRIDE_COLUMNS-th of an output row
  parameter COLS = 4;              // output channels at a time
  parameter LANES = TREE;          // products added before the accumulator is written
  parameter TERNARY = (WEIGHT_BITS == 2);
  parameter PE_ACC = ACCUMULATOR_BITS;
  parameter PE_OVERFLOW = ACCUMULATOR_OVERFLOW;
  parameter ROWS_MADE = OUT_ROWS;  // of the output, from the first
  parameter LOST_SHIFT = 0;        // a mistake on purpose: so much less is shifted

  localparam TRANSPOSED = 2, SLOPES = 3, TABLE = 1;  // of OPERATOR, SCALE, ACTIVATION
  localparam X = INPUT_BITS + 1;   // minus a zero point
  localparam EACH_IN = IN_CHANNELS / GROUPS, EACH_OUT = OUT_CHANNELS / GROUPS;
  localparam TAPS = KERNEL_ROWS * KERNEL_COLUMNS;
  localparam PIXELS = OUT_ROWS * OUT_COLUMNS;
  localparam PLANE = IN_ROWS * IN_COLUMNS, IMAGE = IN_CHANNELS * PLANE;
  localparam OUTPUTS = IMAGES * OUT_CHANNELS * PIXELS;
  localparam STEP = (OPERATOR == TRANSPOSED) ? STRIDE_COLUMNS : 1;  // columns of one phase read the same taps

  reg [INPUT_BITS-1:0] inputs [0:IMAGES*IMAGE-1];
  reg [EACH_IN*WEIGHT_BITS-1:0] weights [0:OUT_CHANNELS*TAPS-1];
  reg [ACCUMULATOR_BITS-1:0] bias [0:OUT_CHANNELS-1];
  reg [ACCUMULATOR_BITS-1:0] sums [0:OUTPUTS-1];
  reg [RESULT_BITS-1:0] landed [0:OUTPUTS-1];
  reg [OUTPUT_BITS-1:0] outputs [0:OUTPUTS-1];
  reg [OUTPUT_BITS-1:0] lut [0:(ACTIVATION == TABLE ? (1 << RESULT_BITS) : 1)-1];
  reg [31:0] above [0:OUT_CHANNELS-1], below [0:OUT_CHANNELS-1];
  reg [7:0] above_shift [0:OUT_CHANNELS-1], below_shift [0:OUT_CHANNELS-1];

  integer from [0:ROWS-1];
  reg [EACH_IN*WEIGHT_BITS-1:0] words [0:COLS-1];
  reg clk = 0, load = 0;
  reg [ROWS-1:0] add = 0;
  reg [ROWS*LANES*X-1:0] x;
  reg [COLS*LANES*WEIGHT_BITS-1:0] w;
  reg [COLS*PE_ACC-1:0] start;
  wire [ROWS*COLS*PE_ACC-1:0] acc;
  wire [ROWS*COLS-1:0] over;
  pe_array #(.ROWS(ROWS), .COLS(COLS), .X(X), .W(WEIGHT_BITS), .ACC(PE_ACC), .TREE(LANES), .TERNARY(TERNARY),
             .OVERFLOW(PE_OVERFLOW)) array
    (.clk(clk), .load(load), .add(add), .x(x), .w(w), .start(start), .acc(acc), .overflowed(over));

  reg signed [PE_ACC-1:0] sum;
  reg signed [31:0] multiplier;
  reg signed [7:0] shift;
  wire signed [RESULT_BITS-1:0] code;
  requantize #(.ACC(PE_ACC), .OUT(RESULT_BITS)) scaler
    (.acc(sum), .multiplier(multiplier), .shift(shift), .zero_point(RESULT_ZERO_POINT[RESULT_BITS:0]),
     .low(RESULT_LOW[RESULT_BITS:0]), .high(RESULT_HIGH[RESULT_BITS:0]), .code(code));

  integer image, group, channel, row, phase, column, step, tap, base, r, c, l, i, y, z, at, kernel_row;
  integer compared = 0, differences = 0, overflowed = 0, cycles = 0;
  reg [OUTPUT_BITS-1:0] stored;
  reg signed [INPUT_BITS-1:0] one;

  // The input row or column that a tap brings to an output row or column, -1 for none.
  function integer read_at(input integer out, input integer k, input integer stride, input integer dilation,
                           input integer offset, input integer size);
    begin
      if (OPERATOR == TRANSPOSED) begin
        read_at = out + offset - k * dilation;
        if (read_at < 0 || read_at % stride != 0) read_at = -1;
        else read_at = read_at / stride;
      end else read_at = out * stride + k * dilation - offset;
      if (read_at >= size) read_at = -1;
      if (read_at < 0) read_at = -1;
    end
  endfunction

  task tick;
    begin
      #1 clk = 1;
      #1 clk = 0;
      cycles = cycles + 1;
    end
  endtask

  // Column of the output that a row of the array makes.
  function integer column_of(input integer lane);
    column_of = phase + (column + lane) * STEP;
  endfunction

  task load_biases;
    begin
      for (c = 0; c < COLS; c = c + 1)
        start[c*PE_ACC +: PE_ACC] = (channel + c < EACH_OUT) ? $signed(bias[group*EACH_OUT + channel + c]) : 0;
      add = 0;
      load = 1;
      tick;
      load = 0;
    end
  endtask

  // One tap: LANES input channels a cycle.
  task add_tap;
    begin
      y = read_at(row, tap / KERNEL_COLUMNS, STRIDE_ROWS, DILATION_ROWS, OFFSET_ROWS, IN_ROWS);
      for (r = 0; r < ROWS; r = r + 1) begin
        z = read_at(column_of(r), tap % KERNEL_COLUMNS, STRIDE_COLUMNS, DILATION_COLUMNS, OFFSET_COLUMNS, IN_COLUMNS);
        add[r] = y >= 0 && z >= 0 && column_of(r) < OUT_COLUMNS;
        from[r] = image*IMAGE + group*EACH_IN*PLANE + y*IN_COLUMNS + z;
      end
      for (c = 0; c < COLS; c = c + 1)
        words[c] = (channel + c < EACH_OUT) ? weights[(group*EACH_OUT + channel + c)*TAPS + tap] : 0;
      if (add != 0)
        for (base = 0; base < EACH_IN; base = base + LANES) begin
          x = 0;
          w = 0;
          for (l = base; l < base + LANES && l < EACH_IN; l = l + 1) begin
            for (r = 0; r < ROWS; r = r + 1)
              if (add[r]) begin
                one = inputs[from[r] + l*PLANE];
                x[(r*LANES + l - base)*X +: X] = one - INPUT_ZERO_POINT;
              end
            for (c = 0; c < COLS; c = c + 1)
              w[(c*LANES + l - base)*WEIGHT_BITS +: WEIGHT_BITS] = words[c][l*WEIGHT_BITS +: WEIGHT_BITS];
          end
          tick;
        end
    end
  endtask

  task compare_results;
    for (r = 0; r < ROWS; r = r + 1)
      for (c = 0; c < COLS; c = c + 1)
        if (column_of(r) < OUT_COLUMNS && channel + c < EACH_OUT) begin
          i = group*EACH_OUT + channel + c;
          at = ((image*OUT_CHANNELS + i)*OUT_ROWS + row)*OUT_COLUMNS + column_of(r);
          sum = acc[(r*COLS + c)*PE_ACC +: PE_ACC];
          multiplier = (SCALE == SLOPES && sum < 0) ? below[i] : above[i];
          shift = ((SCALE == SLOPES && sum < 0) ? below_shift[i] : above_shift[i]) - LOST_SHIFT;
          #1 stored = (ACTIVATION == TABLE) ? lut[code - TABLE_ORIGIN] : code;
          compared = compared + 1;
          overflowed = overflowed + over[r*COLS + c];
          if (sum !== $signed(sums[at]) || code !== $signed(landed[at]) || stored !== outputs[at]) begin
            if (differences == 0)
              $display("first difference: output %0d: accumulator %0d (file %0d), code %0d (file %0d), stored %0d (file %0d)",
                       at, sum, $signed(sums[at]), code, $signed(landed[at]), stored, outputs[at]);
            differences = differences + 1;
          end
        end
  endtask

  initial begin
    $readmemh("inputs.mem", inputs);
    $readmemh("weights_packed.mem", weights);
    $readmemh("bias.mem", bias);
    $readmemh("accumulators.mem", sums);
    $readmemh("outputs.mem", outputs);
    if (ACTIVATION == TABLE) begin
      $readmemh("landed.mem", landed);
      $readmemh("table.mem", lut);
    end else $readmemh("outputs.mem", landed);
    if (SCALE == SLOPES) begin
      $readmemh("positive_multiplier.mem", above);
      $readmemh("positive_shift.mem", above_shift);
      $readmemh("negative_multiplier.mem", below);
      $readmemh("negative_shift.mem", below_shift);
    end else begin
      $readmemh("multiplier.mem", above);
      $readmemh("shift.mem", above_shift);
    end
    for (image = 0; image < IMAGES; image = image + 1)
      for (group = 0; group < GROUPS; group = group + 1)
        for (channel = 0; channel < EACH_OUT; channel = channel + COLS)
          for (row = 0; row < ROWS_MADE; row = row + 1)
            for (phase = 0; phase < STEP; phase = phase + 1)
              for (column = 0; phase + column*STEP < OUT_COLUMNS; column = column + ROWS) begin
                load_biases;
                for (step = 0; step < TAPS; step = step + 1) begin
                  tap = (OPERATOR == TRANSPOSED) ? TAPS - 1 - step : step;
                  add_tap;
                end
                compare_results;
              end
    $display("outputs %0d differences %0d overflowed %0d cycles %0d", compared, differences, overflowed, cycles);
    $finish;
  end
endmodule
