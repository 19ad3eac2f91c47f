"""What a tensor of a model is: polynomials of spikes and states, and gates on spikes."""
